"""``andiron serve``: uvicorn, set up for connections that last and for strangers."""
