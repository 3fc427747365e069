"""The window: shows values and sends signals. Never touches a gradient, a file format or a formula."""
