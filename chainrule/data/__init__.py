"""Sources, loaders and augmentation."""
