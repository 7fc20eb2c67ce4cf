"""What do CKKS parameters and partial encryption really protect?"""
