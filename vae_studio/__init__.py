"""VAE Studio: train variational auto-encoders and walk through their latent space, live."""

__version__ = "0.1.0"
