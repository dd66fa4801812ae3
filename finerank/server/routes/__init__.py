"""One module per dialect: it reads the dialect's request, asks the service, and writes the dialect's answer."""
