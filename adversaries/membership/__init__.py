"""Was this sample in the training set of a diffusion model? One technique a module.

Every attack scores samples one by one: higher means member.
"""
