"""The typed configuration: what `config/*.yaml` may say."""
