"""Who may call the facade, and for what."""

from .authenticator import Authenticator
from .caller import Caller, Role
from .secrets import hash_secret, new_secret
from .settings import SecuritySettings, StaticKey

__all__ = ["Authenticator", "Caller", "Role", "SecuritySettings", "StaticKey", "hash_secret", "new_secret"]
