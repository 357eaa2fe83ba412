"""The API for the site's own code, over HTTP: for sites that are not in the process."""
