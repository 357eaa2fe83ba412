"""What stream management looks like on the wire."""

import pytest

from andiron.sm import nonzas
from andiron.xmpp.xml import Guard

read = Guard().read


@pytest.mark.parametrize("namespace", nonzas.SM_NAMESPACES)
@pytest.mark.parametrize(
    ("write", "name", "attributes"),
    [
        (nonzas.enabled, "enabled", {}),
        (
            lambda n: nonzas.enabled_to_resume(n, "id", 600, ""),
            "enabled",
            {"id": "id", "resume": "true", "max": "600"},
        ),
        (
            lambda n: nonzas.enabled_to_resume(n, "id", 5, "[2001:db8::1]:5222 '<"),
            "enabled",
            {"id": "id", "resume": "true", "max": "5", "location": "[2001:db8::1]:5222 '<"},
        ),
        (lambda n: nonzas.resumed(n, "id", 7), "resumed", {"previd": "id", "h": "7"}),
        (lambda n: nonzas.ack(n, 2**32 - 1), "a", {"h": "4294967295"}),
        (nonzas.request, "r", {}),
    ],
)
def test_each_reads_back(namespace, write, name, attributes):
    element = read(write(namespace))
    assert (element.namespace, element.name) == (namespace, name)
    assert element.attributes == attributes


def test_a_count_too_high_names_both_counts():
    error = nonzas.count_too_high(10, 8, nonzas.SM_NAMESPACES[0])
    assert error.condition == "undefined-condition"
    assert "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='10' send-count='8'/>" in error.to_xml()
