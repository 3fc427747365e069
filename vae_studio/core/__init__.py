"""Models, training, exploration and files: everything that is not the window. Never imports Qt."""
