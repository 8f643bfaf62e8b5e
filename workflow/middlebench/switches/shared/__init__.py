"""What the drivers ``private-openvswitch`` and ``system-openvswitch`` share."""
