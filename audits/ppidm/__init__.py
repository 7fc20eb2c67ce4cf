"""What PPIDM keeps of its promises: hidden from some servers, work that leaves, fidelity."""
