"""What runs between a client and its servers: the wire, the referee, and the defences."""
