"""The network and the device it runs on."""
