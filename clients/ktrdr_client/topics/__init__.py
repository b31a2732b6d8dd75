"""The calls of the asynchronous client, by topic. Each class is a part of `ktrdr_client.AsyncClient`."""
