"""`python -m vae_studio` is the same program as `vae-studio`."""

from vae_studio.cli import main

if __name__ == "__main__":
    main()
