"""The ROS 2 node of SAOM.

The messages are generated into a package of this very name. In a checkout they lie elsewhere, in the install space
that `PYTHONPATH` names, so this package looks for its modules in both places.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
