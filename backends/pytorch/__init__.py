"""Sessions of PyTorch: imported only when a model is opened, because these modules import torch."""
