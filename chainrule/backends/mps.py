"""`torch.backends.mps`, PyTorch's path; no backend of ours: Apple's GPU is not there, and who asks is told."""


def is_available() -> bool:
    """False: tensors are on the CPU."""
    return False


def is_built() -> bool:
    """False."""
    return False
