"""An OpenLDAP server of the tests' own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.certificates import certify
from tests.interop import server

PNG = b"\x89PNG a picture"
_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCACertificateFile {folder}/cert.pem
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "dc=example,dc=org"
directory {folder}/data
rootdn "cn=admin,dc=example,dc=org"
rootpw root
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
"""
_LDIF = """
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=chat,dc=example,dc=org
objectClass: person
cn: chat
sn: chat
userPassword: secret

dn: uid=juliet,dc=example,dc=org
objectClass: inetOrgPerson
uid: juliet
cn: Juliet
sn: Capulet
displayName: Juliet Capulet
jpegPhoto:: {photo}
userPassword: sesame

dn: uid=o\\,brien,dc=example,dc=org
objectClass: inetOrgPerson
uid: o,brien
cn: O
sn: Brien
userPassword: sesame

dn: ou=twins,dc=example,dc=org
objectClass: organizationalUnit
ou: twins

dn: cn=first,ou=twins,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin
cn: first
sn: twin
userPassword: sesame

dn: cn=second,ou=twins,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin
cn: second
sn: twin
userPassword: sesame
"""


class Slapd:
    """A running server, which people and ``cn=chat`` may read."""

    def __init__(self, folder: Path, plain: int, tls: int) -> None:
        self.ca_file = str(folder / "cert.pem")
        self.url = f"ldap://localhost:{plain}"
        self.tls_url = f"ldaps://localhost:{tls}"
        self.other_name = f"ldaps://127.0.0.1:{tls}"


@contextmanager
def running(program: str, folder: Path, photo: str) -> Iterator[Slapd]:
    """Run a server in an empty folder."""
    (folder / "data").mkdir()
    certify(folder)
    (folder / "slapd.conf").write_text(_CONF.format(folder=folder))
    (folder / "people.ldif").write_text(_LDIF.format(photo=photo))
    conf = f"{folder}/slapd.conf"
    add = [program, "-T", "add", "-f", conf, "-l", f"{folder}/people.ldif"]
    subprocess.run(add, check=True, capture_output=True)
    plain, tls = server.free_port(), server.free_port()
    urls = f"ldap://localhost:{plain} ldaps://localhost:{tls}"
    with server.running([program, "-h", urls, "-f", conf, "-d", "0"], plain, folder / "log"):
        yield Slapd(folder, plain, tls)
