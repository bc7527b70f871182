#!/usr/bin/env bash
# The steps of the image (container/install.sh) in a bare Debian tree made by debootstrap, in place of a container engine,
# and then a benchmark in it as its unprivileged user: `make container-test`. What an engine itself does (layers, COPY,
# RUN's mounts) is not tested here.
#
# Skipped (exit status 0, or 1 with REQUIRE=1) without debootstrap or root. OVERLAY=... names the benchmark (config/smoke.yaml),
# BIND="/a /b" further folders of this machine that its pip configuration points to; KEEP=1 keeps the tree.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
OVERLAY=$(realpath "${OVERLAY:-$ROOT/config/smoke.yaml}")
MIRROR=${MIRROR:-http://deb.debian.org/debian}

skip() { echo "container-test: SKIPPED: $1"; exit "${REQUIRE:-0}"; }
command -v debootstrap > /dev/null || skip "not installed: debootstrap (Debian: apt-get install debootstrap)"
[ "$(id -u)" = 0 ] || skip "not root"

T=$(mktemp -d -t container-test.XXXXXX)
BOUND=(/proc /dev ${BIND:-})
clean_up() {
  for path in "${BOUND[@]}"; do umount "$T/tree$path" 2> /dev/null || true; done
  if mount | grep -q " $T/"; then echo "container-test: still mounted below $T; left there"; return; fi
  [ -n "${KEEP:-}" ] && echo "container-test: kept $T" || rm -rf --one-file-system "$T"
}
trap clean_up EXIT
chmod 755 "$T"
failed() { tail -30 "$T/$1.log"; echo "container-test: FAILED: $1"; exit 1; }
seconds() { date +%s; }

start=$(seconds)
debootstrap --variant=minbase bookworm "$T/tree" "$MIRROR" > "$T/debootstrap.log" 2>&1 || failed debootstrap
for path in "${BOUND[@]}"; do mkdir -p "$T/tree$path"; mount --bind "$path" "$T/tree$path"; done
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /usr/local/share/ca-certificates/*.crt; do # settings of the machine
  [ ! -f "$file" ] || install -D -m 644 "$file" "$T/tree$file"
done
cp /etc/apt/apt.conf.d/* "$T/tree/etc/apt/apt.conf.d/" 2> /dev/null || true
git clone --quiet "$ROOT" "$T/tree/opt/snn-bench"
echo "container-test: a bare Debian tree in $(($(seconds) - start)) s, commit $(git -C "$ROOT" rev-parse --short HEAD)"

start=$(seconds)
inside=(env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin)
for variable in $(compgen -e | grep -E '^(PIP|SSL|REQUESTS|CURL)_|_proxy$' || true); do
  inside+=("$variable=${!variable}")
done
"${inside[@]}" chroot "$T/tree" sh /opt/snn-bench/container/install.sh > "$T/install.log" 2>&1 || failed install
echo "container-test: container/install.sh in $(($(seconds) - start)) s, packages $(du -sh "$T/tree/opt/venv" | cut -f1)"

start=$(seconds)
install -m 644 "$OVERLAY" "$T/tree/workdir/overlay.yaml"
as_user=(env -i HOME=/home/snn LANG=C.UTF-8 PATH=/opt/venv/bin:/usr/bin:/bin NUMBA_CACHE_DIR=/opt/numba-cache
  SNN_IMAGE_ROOT=/opt/snn-bench MLFLOW_DISABLE_TELEMETRY=true "$(command -v chroot)" --userspec=snn:snn "$T/tree")
"${as_user[@]}" sh -c 'cd /workdir && snakemake -s /opt/snn-bench/workflow/Snakefile --cores 2 --configfile overlay.yaml' \
  > "$T/run.log" 2>&1 || failed run
ls "$T"/tree/workdir/reports/*/index.html
echo "container-test: passed; the benchmark as user snn in $(($(seconds) - start)) s"
