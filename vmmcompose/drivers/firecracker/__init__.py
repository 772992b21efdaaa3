"""The firecracker driver: pure `config` and `checks`, the API's requests in `api`, logs in `files`, and `driver`."""
