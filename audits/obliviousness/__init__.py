"""Does anyone name the real candidate more often than 1/N + slack?"""
