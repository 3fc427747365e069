"""The benchmark: what VAE Studio's speed is made of, measured side by side on whatever machine there is.

Importing this package imports no torch. Nothing but the command `vae-studio bench` imports it.
"""

from __future__ import annotations

SUBJECTS = {
    "quality": "Time to quality, against the VAE of pytorch/examples",
    "batch": "The largest batch that trains as well, against the preset's own",
    "presets": "Training each preset",
    "keras": "The Keras deconvolutional network, 64 latent dimensions",
    "map": "Decoding the whole map anew",
    "window": "The window: event-loop lag, mouse move to painted pixels, training speed",
    "start-up": "Start-up and memory",
    "likelihood": "Log-likelihood of the test images by 5000 importance samples",
    "growth": "How cost grows",
}
"""What can be measured, by the names that `--only` takes, in the order of the report."""
