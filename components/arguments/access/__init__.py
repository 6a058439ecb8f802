"""How clients reach the server and who may use it: authentication, Service, Ingress, routes, network policies, RBAC."""

from . import auth, ingress, ldap, network_policy, oidc, rbac, route, service, service_account
from .auth import *
from .ingress import *
from .ldap import *
from .network_policy import *
from .oidc import *
from .oidc_provider import *
from .rbac import *
from .route import *
from .service import *
from .service_account import *

__all__: list[str] = []
__all__ += auth.__all__
__all__ += ingress.__all__
__all__ += ldap.__all__
__all__ += network_policy.__all__
__all__ += oidc.__all__
__all__ += oidc_provider.__all__
__all__ += rbac.__all__
__all__ += route.__all__
__all__ += service.__all__
__all__ += service_account.__all__
