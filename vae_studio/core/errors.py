"""The one thing that all expected errors share."""


class UserError(Exception):
    """Something a user can cause and mend; its message is a sentence for them. Anything else is a fault of ours."""
