"""Nodes and items on each kind of database, against a model of what they should be."""

import pytest
from sqlalchemy import text
from tests.domain.conftest import database, postgres_server, postgres_url, url  # noqa: F401

from andiron.domain.pubsub import items, nodes
from andiron.domain.pubsub.config import NodeConfig
from andiron.domain.pubsub.items import Item
from andiron.xmpp.rsm import PageRequest
