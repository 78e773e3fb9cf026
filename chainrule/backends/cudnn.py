"""`torch.backends.cudnn`, PyTorch's path; no backend of ours. Its settings may be assigned and have no effect."""

enabled = False
benchmark = False
deterministic = True
allow_tf32 = False


def is_available() -> bool:
    """False: tensors are on the CPU."""
    return False


def version() -> None:
    """None, as in PyTorch built without it."""
