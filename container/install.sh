#!/bin/sh
# The steps of the image, as root in a bare Debian 12 with the project in /opt/snn-bench: the Dockerfile and the Apptainer
# recipe run this file, and `tools/container_test.sh` runs it in a tree made by debootstrap.
#
# DEVICE=cpu (default) or cuda says which build of torch the image is to have. Where pip takes packages from is a setting of
# the machine that builds (pip.conf); the build ends with an error where it gave the other one.
set -eu
cd /opt/snn-bench

apt-get update
apt-get install -y --no-install-recommends ca-certificates git procps python3 python3-venv
rm -rf /var/lib/apt/lists/*

python3 -m venv /opt/venv
PATH=/opt/venv/bin:$PATH
pip install --no-cache-dir --disable-pip-version-check -r requirements.lock -r container/plugins.lock
pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e .
python - "${DEVICE:-cpu}" << 'EOF'
import sys

import torch

built = "cuda" if torch.version.cuda else "cpu"
if built != sys.argv[1]:
    sys.exit(f"error: DEVICE={sys.argv[1]}, but pip brought torch {torch.__version__}; name another package index in pip.conf")
EOF

# The compiled kernels are found by the path, time and size of their source file: layers of an image keep whole seconds.
find snn -name '*.py' -exec touch -d '2020-01-01 00:00:00 UTC' {} +
export NUMBA_CACHE_DIR=/opt/numba-cache
snn compile
chmod -R a+rwX "$NUMBA_CACHE_DIR"

useradd --create-home --uid 1000 snn
mkdir -p /workdir
chown snn: /workdir
git config --system --add safe.directory '*' # the project is mounted with its owner's number
