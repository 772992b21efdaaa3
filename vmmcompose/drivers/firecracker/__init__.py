"""The firecracker driver: pure `config`, the API's requests in `api`, logs in `files`, and `driver`."""
