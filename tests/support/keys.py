"""Keys of each kind, and tokens made by hand, as an attacker makes them."""

import json
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

SECRET = "correct horse battery staple, 64 bytes long, each of them a letter"
MAKERS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "other RSA": lambda: rsa.generate_private_key(65537, 2048),
    "weak RSA": lambda: rsa.generate_private_key(65537, 1024),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


class Keys:
    """Private keys by kind, made when they are first needed."""

    @staticmethod
    @cache
    def private(kind):
        return MAKERS[kind]()

    def private_pem(self, kind):
        return self.private(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def public_pem(self, kind):
        public = self.private(kind).public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def jwk(self, kind, **more):
        public = self.private(kind).public_key()
        algorithm = RSAAlgorithm if "RSA" in kind else ECAlgorithm
        algorithm = OKPAlgorithm if kind == "Ed25519" else algorithm
        return algorithm.to_jwk(public, as_dict=True) | more

    def jwks(self, *entries):
        return json.dumps({"keys": list(entries)}).encode()


KEYS = Keys()
