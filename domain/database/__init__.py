"""The database: engines, migrations, copying from one to another."""
