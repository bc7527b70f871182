#!/usr/bin/env bash
# The workflow through Slurm, for real: a one-node cluster on the loopback interface in a folder of its own.
#
#     tools/slurm_test.sh [smoke] [kills] [limit] [overhead]      (all, if none is named; `make slurm-test`)
#
#   smoke      the smoke benchmark (or OVERLAY=...) through Slurm, by the profile with its three values filled in, gives the
#              bits that a local run gives
#   kills      scancel, kill -9, a scheduler that dies, TIMES=1 each: the training goes on from its checkpoint
#   limit      a training that is longer than its time limit ends with a checkpoint before it, and goes on from there
#   overhead   processor seconds of one further job in a submission, from submissions of FEW=2 and JOBS=10 jobs that compute
#              next to nothing, and of a submission itself
#
# Installs nothing, and is skipped (exit status 0, or 1 with REQUIRE=1) where something is missing. As root, since Slurm's
# daemons start jobs as other users. PYTHON=... names another Python than .venv's; KEEP=1 keeps the folder.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-$ROOT/.venv/bin/python}
OVERLAY=${OVERLAY:-$ROOT/config/smoke.yaml}
JOBS=${JOBS:-10}
FEW=${FEW:-2}
TIMES=${TIMES:-1}

skip() { echo "slurm-test: SKIPPED: $1"; exit "${REQUIRE:-0}"; }
missing=()
for program in slurmctld slurmd sbatch munged; do command -v "$program" > /dev/null || missing+=("$program"); done
[ ${#missing[@]} = 0 ] || skip "not installed: ${missing[*]} (Debian: apt-get install slurmctld slurmd slurm-client munge)"
"$PYTHON" -c 'import snakemake_executor_plugin_slurm' 2> /dev/null ||
  skip "no plug-in (pip install -e '.[slurm]')"
[ "$(id -u)" = 0 ] || skip "not root"

# --- the cluster

D=$(mktemp -d -t slurm-test.XXXXXX)
chmod 755 "$D"
mkdir "$D"/{state,spool,bin}
export SLURM_CONF=$D/slurm.conf PATH=$D/bin:$PATH

stop_daemon() { [ ! -f "$D/$1.pid" ] || kill "-${2:-TERM}" "$(cat "$D/$1.pid")" 2> /dev/null || true; }
clean_up() {
  [ -z "${SNAKEMAKE_PID:-}" ] || kill "$SNAKEMAKE_PID" 2> /dev/null || true
  scancel --user=root --quiet 2> /dev/null || true
  sleep 1
  for daemon in slurmd slurmctld munged; do stop_daemon "$daemon"; done
  sleep 2
  for daemon in slurmd slurmctld munged; do stop_daemon "$daemon" KILL; done
  [ -n "${KEEP:-}" ] && echo "slurm-test: kept $D" || rm -rf "$D"
}
trap clean_up EXIT

PORT=$((20000 + RANDOM % 10000)) # below those that the system gives out
CPUS=$(nproc)
cat > "$SLURM_CONF" << EOF
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$D/munge.sock
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool
SlurmctldPidFile=$D/slurmctld.pid
SlurmdPidFile=$D/slurmd.pid
SlurmctldLogFile=$D/slurmctld.log
SlurmdLogFile=$D/slurmd.log
SlurmctldParameters=enable_configless
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
MinJobAge=3600
KillWait=5
MailProg=/bin/true
NodeName=localhost NodeAddr=127.0.0.1 CPUs=$CPUS RealMemory=64000 Features=a100 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
EOF
# The plug-in takes SLURM_CONF out of the environment of the `srun` inside a job: a wrapper gives it back. (A cluster has
# its configuration where Slurm looks for it.)
printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$(command -v srun)" > "$D/bin/srun"
chmod +x "$D/bin/srun"
head -c 1024 /dev/urandom > "$D/munge.key"
chmod 400 "$D/munge.key"
munged --socket="$D/munge.sock" --key-file="$D/munge.key" --pid-file="$D/munged.pid" --log-file="$D/munged.log" \
  --seed-file="$D/munged.seed"
slurmctld
sleep 1
slurmd -N localhost
for _ in $(seq 60); do [ "$(sinfo -h -o %T 2> /dev/null)" = idle ] && break; sleep 0.5; done
[ "$(sinfo -h -o %T)" = idle ] || { tail -n 5 "$D"/slurm*.log; echo "slurm-test: the cluster did not start"; exit 1; }
echo "slurm-test: $(slurmctld -V), plug-in $("$PYTHON" -c \
  'import importlib.metadata as m; print(m.version("snakemake-executor-plugin-slurm"))'), $CPUS CPUs, commit $(
  git -C "$ROOT" rev-parse --short HEAD 2> /dev/null || echo unknown)"

# --- runs

unset PYTHONPATH SNN_WARM "${!MLFLOW_@}" 2> /dev/null || true
snakemake() { # FOLDER OVERLAY ARGUMENTS...: in a folder of its own
  local folder=$1 overlay=$2
  shift 2
  mkdir -p "$folder"
  "$PYTHON" -m snakemake -s "$ROOT/workflow/Snakefile" --directory "$folder" --configfile "$overlay" "$@" \
    > "$folder/snakemake.log" 2>&1
}
# The profile as a user fills it in: the three values, and what it says of clusters without accounts.
mkdir "$D/profile"
sed -e 's/# slurm_account: my-account/slurm_account: group/' -e 's/# slurm_partition: my-partition/slurm_partition: main/' \
  -e 's/# constraint: a100/constraint: a100/' -e 's/# slurm-status-command: squeue/slurm-status-command: squeue/' \
  "$ROOT/workflow/profiles/slurm/config.yaml" > "$D/profile/config.yaml"
on_slurm=(--workflow-profile "$D/profile" --latency-wait 5 --slurm-keep-successful-logs)
failed() { tail -40 "$1/snakemake.log"; echo "slurm-test: FAILED: $2"; exit 1; }
submissions() { squeue --states=all --noheader --format=%i | wc -l; }
results() { # FOLDER: that of its benchmark
  local found=("$1"/results/*/cells)
  dirname "${found[0]}"
}
same() { "$PYTHON" "$ROOT/tools/same_results.py" "$(results "$1")" "$(results "$2")" || failed "$2" "other bits"; }
seconds() { date +%s; }

smoke() {
  local start before
  start=$(seconds)
  snakemake "$D/local" "$OVERLAY" --cores "$CPUS" || failed "$D/local" "the local run"
  local local_seconds=$(($(seconds) - start))
  before=$(submissions) start=$(seconds)
  snakemake "$D/slurm" "$OVERLAY" "${on_slurm[@]}" || failed "$D/slurm" "the run through Slurm"
  echo "smoke: local $local_seconds s, through Slurm $(($(seconds) - start)) s, $(($(submissions) - before)) submissions for" \
    "$(find "$(results "$D/slurm")/cells" -name record.json -path '*/train/*' | wc -l) cells and" \
    "$(grep -c '^Finished jobid' "$D/slurm/snakemake.log" || true) steps"
  [ "$(squeue --states=all --noheader --format='%a %P %f' | sort -u)" = "group main a100" ] ||
    failed "$D/slurm" "submissions without the three values of the profile"
  same "$D/local" "$D/slurm"
  ls "$D"/slurm/reports/*/index.html > /dev/null || failed "$D/slurm" "no report"
}

# A training of a minute or two, and nothing behind it.
one_training() {
  cat > "$D/one.yaml" << EOF
benchmark: one
matrix: {networks: [3c1fc], methods: [sdt], t_train: [4], seeds: [0], extra: []}
datasets: {saccades: {params: {samples: 300}, split: {validation: 50, test: 50, seed: 0}}}
train: {epochs: ${EPOCHS:-150}, batch_size: 32}
probe: {seeds: 0}
robustness: {seeds: 0, recovery: []}
EOF
  CELL=results/one/cells/saccades/3c1fc/sdt/T4/seed0
}
begin() { # FOLDER ARGUMENTS...: begin the training through Slurm, and wait for its first checkpoint
  local folder=$1
  shift
  arguments=("$D/one.yaml" "${on_slurm[@]}" "$@" -- "$CELL/train/weights.pt")
  mkdir -p "$folder"
  cp -r "$D/undisturbed/results" "$folder" && rm -rf "${folder:?}/$CELL"
  snakemake "$folder" "${arguments[@]}" &
  SNAKEMAKE_PID=$!
  for _ in $(seq 1200); do
    [ ! -f "$folder/$CELL/checkpoint.pt" ] || return 0
    kill -0 $SNAKEMAKE_PID 2> /dev/null || failed "$folder" "it ended before its first checkpoint"
    sleep 0.25
  done
  failed "$folder" "no checkpoint"
}
finish() { # FOLDER WHAT: see it end, or end it and start it again where it has lost sight of its submission (docs/cluster.md)
  while kill -0 $SNAKEMAKE_PID 2> /dev/null; do
    if [ -z "$(squeue --noheader)" ] && grep -q "Falling back to 'sacct'" "$1/snakemake.log"; then
      pkill -KILL -P $SNAKEMAKE_PID && wait $SNAKEMAKE_PID || true
      echo "$2: the submission has ended unnoticed, Snakemake is started again"
      snakemake "$1" "${arguments[0]}" --unlock || failed "$1" "$2: --unlock"
      snakemake "$1" "${arguments[@]}" &
      SNAKEMAKE_PID=$!
    fi
    sleep 2
  done
  wait $SNAKEMAKE_PID || failed "$1" "$2: the run did not recover"
  SNAKEMAKE_PID=
  same "$D/undisturbed" "$1" | sed "s/^/$2: /"
}
running() { squeue --states=running --noheader --format=%i | head -1; }
training() { # the process that trains in FOLDER
  local pid
  for pid in /proc/[0-9]*; do
    if [ "$(readlink "$pid/cwd")" = "$1" ] && tr '\0' ' ' < "$pid/cmdline" 2> /dev/null | grep -q -- '-m snn[a-z.]* train'; then
      basename "$pid"
    fi
  done
}

kills() {
  one_training
  snakemake "$D/undisturbed" "$D/one.yaml" --cores 1 "$CELL/train/weights.pt" || failed "$D/undisturbed" "the local run"

  for time in $(seq "$TIMES"); do
    begin "$D/scancel-$time"
    scancel "$(running)"
    finish "$D/scancel-$time" "scancel, $time of $TIMES"

    begin "$D/kill9-$time"
    kill -9 $(training "$D/kill9-$time")
    finish "$D/kill9-$time" "kill -9 of the training, $time of $TIMES"

    begin "$D/scheduler-$time"
    stop_daemon slurmctld KILL
    sleep 15
    slurmctld
    finish "$D/scheduler-$time" "kill -9 of the scheduler, back after 15 s, $time of $TIMES"
  done
}

limit() {
  # A training of two minutes on this machine. The first attempt gets two minutes with its start, each further one a minute
  # more. Slurm gives the signal between 30 and 60 seconds before the limit. Each attempt but the last has to end by it.
  one_training
  local start before stops
  start=$(seconds)
  snakemake "$D/measured" "$D/one.yaml" --cores 1 "$CELL/train/weights.pt" || failed "$D/measured" "the local run"
  EPOCHS=$((${EPOCHS:-150} * 120 / ($(seconds) - start))) one_training
  rm -rf "$D/undisturbed"
  snakemake "$D/undisturbed" "$D/one.yaml" --cores 1 "$CELL/train/weights.pt" || failed "$D/undisturbed" "the local run"
  before=$(submissions)
  begin "$D/limit" --set-resources "train:runtime=attempt+1" train:slurm_extra="'--signal=USR1@30'" --retries 20
  finish "$D/limit" "a time limit of two minutes"
  stops=$(grep -hoE 'stopped after epoch [0-9]+' "$D/limit/snakemake.log" | sort -uV || true)
  echo "${stops:-never stopped}; $(($(submissions) - before)) submissions"
  [ "$(grep -c stopped.after <<< "$stops")" = $(($(submissions) - before - 1)) ] || failed "$D/limit" "an attempt did not end by the signal"
}

# Processor seconds, since a wall's clock says little on a machine that others use too.
overhead() {
  local cells where used before
  for cells in $FEW $JOBS; do
    cat > "$D/empty-$cells.yaml" << EOF
benchmark: empty
matrix: {networks: [3c1fc], methods: [chance], t_train: [4], seeds: [$(seq -s, 0 $((cells - 1)))], extra: []}
datasets: {saccades: {params: {samples: 60}, split: {validation: 20, test: 20, seed: 0}}}
EOF
    for where in local slurm; do
      mkdir -p "$D/empty-$where-$cells"
      local how=(--cores 1)
      [ $where = local ] || how=("${on_slurm[@]}" --group-components "cell=$cells")
      before=$(submissions)
      used=$(cd "$ROOT" && "$PYTHON" -m benchmarks._processes "$D/empty-$where-$cells" "$PYTHON" -m snakemake \
        -s "$ROOT/workflow/Snakefile" --directory "$D/empty-$where-$cells" --configfile "$D/empty-$cells.yaml" \
        --until train "${how[@]}") || { echo "$used"; echo "slurm-test: FAILED: $where, $cells jobs"; exit 1; }
      [ "$(find "$D/empty-$where-$cells" -name record.json | wc -l)" = "$cells" ] ||
        { echo "slurm-test: FAILED: $where, not all of $cells jobs are done"; exit 1; }
      echo "$where $cells $used" >> "$D/overhead"
      echo "overhead: $where, $cells jobs: processor seconds, processes, seconds: $used;" \
        "$(($(submissions) - before)) submissions"
    done
  done
  awk -v few="$FEW" -v many="$JOBS" '{ cpu[$1 "," $2] = $3 } END {
    split("local slurm", names, " ")
    for (i = 1; i <= 2; i++) {
      job = (cpu[names[i] "," many] - cpu[names[i] "," few]) / (many - few)
      printf "overhead, %s: a further job %.2f s, the rest of the run %.1f s; 1,000 jobs in submissions of 20: %.0f s\n",
        names[i], job, cpu[names[i] "," few] - few * job,
        1000 * job + (names[i] == "slurm" ? 50 : 1) * (cpu[names[i] "," few] - few * job)
    }
  }' "$D/overhead"
}

start=$(seconds)
for part in "${@:-smoke kills limit overhead}"; do for step in $part; do "$step"; done; done
echo "slurm-test: passed in $(($(seconds) - start)) s"
