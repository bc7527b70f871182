#!/usr/bin/env bash
# The workflow through Snakemake's plug-ins for Kubernetes and S3: `make kubernetes-test`.
#
# The object store is moto's server, Kubernetes is tools/fake_kubernetes.py: both on the loopback interface, neither is the
# real thing. The plug-ins, the profile, and every job's way through the object store are. The smoke benchmark (or
# OVERLAY=...) of a fresh clone of the committed state must end in its report with the bits of a local run.
#
# Installs nothing, and is skipped (exit status 0, or 1 with REQUIRE=1) where something is missing. PYTHON=... names
# another Python than .venv's; KEEP=1 keeps the folder.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-$ROOT/.venv/bin/python}
OVERLAY=$(realpath "${OVERLAY:-$ROOT/config/smoke.yaml}")

skip() { echo "kubernetes-test: SKIPPED: $1"; exit "${REQUIRE:-0}"; }
for module in snakemake_executor_plugin_kubernetes snakemake_storage_plugin_s3; do
  "$PYTHON" -c "import $module" 2> /dev/null || skip "no $module (pip install -e '.[kubernetes]')"
done
"$PYTHON" -c 'import moto.server, flask' 2> /dev/null || skip "no local object store (pip install 'moto[server]')"

D=$(mktemp -d -t kubernetes-test.XXXXXX)
mkdir "$D/pods"
PIDS=()
clean_up() {
  for pid in "${PIDS[@]}"; do kill "$pid" 2> /dev/null || true; done
  [ -n "${KEEP:-}" ] && echo "kubernetes-test: kept $D" || rm -rf "$D"
}
trap clean_up EXIT
failed() { tail -40 "$D/$1.log"; echo "kubernetes-test: FAILED: $1"; exit 1; }
seconds() { date +%s; }

git clone --quiet "$ROOT" "$D/clone"
cd "$D/clone"
echo "kubernetes-test: commit $(git rev-parse --short HEAD)"
cp "$OVERLAY" overlay.yaml
# The image's copy of the code, with its kernels compiled.
export SNN_IMAGE_ROOT=$D/image
git clone --quiet "$ROOT" "$SNN_IMAGE_ROOT"
(cd "$SNN_IMAGE_ROOT" && PYTHONPATH=$SNN_IMAGE_ROOT "$PYTHON" -m snn compile > "$D/compile.log" 2>&1) || failed compile

unset PYTHONPATH SNN_WARM "${!MLFLOW_@}" 2> /dev/null || true
start=$(seconds)
mkdir "$D/local"
"$PYTHON" -m snakemake -s workflow/Snakefile --directory "$D/local" --configfile overlay.yaml --cores "$(nproc)" \
  > "$D/local.log" 2>&1 || failed local
echo "local: $(($(seconds) - start)) s"

PORT=$((20000 + RANDOM % 10000)) # below those that the system gives out
"$PYTHON" -m moto.server -H 127.0.0.1 -p "$PORT" > "$D/moto.log" 2>&1 &
PIDS+=($!)
"$PYTHON" "$ROOT/tools/fake_kubernetes.py" $((PORT + 1)) "$D/pods" "$(dirname "$PYTHON")" > "$D/cluster.log" 2>&1 &
PIDS+=($!)
export KUBECONFIG=$D/kubeconfig
cat > "$KUBECONFIG" << EOF
apiVersion: v1
kind: Config
clusters: [{name: fake, cluster: {server: "http://127.0.0.1:$((PORT + 1))"}}]
users: [{name: fake, user: {}}]
contexts: [{name: fake, context: {cluster: fake, user: fake}}]
current-context: fake
EOF
export SNAKEMAKE_STORAGE_S3_ACCESS_KEY=test SNAKEMAKE_STORAGE_S3_SECRET_KEY=test
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
store() { "$PYTHON" - "$PORT" "$@"; }
store << 'EOF'
import sys, time, boto3
client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}")
for _ in range(100):
    try:
        client.create_bucket(Bucket="bench")
        break
    except Exception:
        time.sleep(0.3)
EOF

on_kubernetes() {
  "$PYTHON" -m snakemake --workflow-profile workflow/profiles/kubernetes --configfile overlay.yaml \
    --container-image snn-bench:test --default-storage-prefix s3://bench/runs \
    --storage-s3-endpoint-url "http://127.0.0.1:$PORT" "$@"
}
start=$(seconds)
on_kubernetes > "$D/kubernetes.log" 2>&1 || { tail -20 "$D"/pods/*.log; failed kubernetes; }
echo "through Kubernetes and S3: $(($(seconds) - start)) s, $(wc -l < "$D/pods/jobs.jsonl") pods"

store "$D/fetched" << 'EOF'
import sys, boto3
from pathlib import Path
bucket = boto3.resource("s3", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}").Bucket("bench")
for item in bucket.objects.filter(Prefix="runs/"):
    path = Path(sys.argv[2]) / item.key.removeprefix("runs/")
    path.parent.mkdir(parents=True, exist_ok=True)
    bucket.download_file(item.key, str(path))
EOF
ls "$D"/fetched/reports/*/index.html > /dev/null || failed kubernetes
results() { dirname "$(echo "$1"/results/*/cells)"; }
"$PYTHON" "$ROOT/tools/same_results.py" --declared "$(results "$D/local")" "$(results "$D/fetched")"
on_kubernetes -n > "$D/again.log" 2>&1 || failed again
grep -q "Nothing to be done" "$D/again.log" || failed again
echo "a second run has nothing to do"

# A conversion that is made anew and fails, here for want of disk, says why. Snakemake has deleted the old store by then; the
# next conversion makes it.
stored() {
  store << 'EOF'
import sys, boto3
bucket = boto3.resource("s3", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}").Bucket("bench")
print(*sorted((item.key, item.e_tag) for item in bucket.objects.filter(Prefix="runs/results/") if "/data/" in item.key))
EOF
}
before=$(stored)
mkdir "$D/full"
cat > "$D/full/sitecustomize.py" << 'EOF'
import os, sys

def no_space(fd):
    raise OSError(28, "No space left on device")

# the job, cold or a fork of the warm process
if "snakemake" not in sys.orig_argv and ("convert" in sys.orig_argv or "--serve" in sys.orig_argv):
    os.fsync = no_space
EOF
if PYTHONPATH=$D/full on_kubernetes --retries 0 --forcerun convert --until convert > "$D/full.log" 2>&1; then failed full; fi
store << 'EOF' > "$D/full_convert.log"
import sys, boto3
bucket = boto3.resource("s3", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}").Bucket("bench")
for item in bucket.objects.filter(Prefix="runs/results/"):
    if "/logs/convert/" in item.key:
        print(item.get()["Body"].read().decode())
EOF
grep -q "no space left on the disk" "$D/full_convert.log" || failed full
on_kubernetes --forcerun convert --until convert > "$D/anew.log" 2>&1 || failed anew
[ "$(stored | wc -w)" = "$(wc -w <<< "$before")" ] && [ "$(wc -w <<< "$before")" -ge 8 ] || failed anew
echo "after a conversion that fails, the next one makes the store"
echo "kubernetes-test: passed"
