#!/bin/bash
# A search in a Slurm allocation, with Open MPI 5:  sbatch jobscripts/slurm_metaopt.sh exp.yaml
# A worker per task, and rank 0 as one more on the first node.  Lost nodes are left out; when the time is up before the
# study is finished, the job queues again (METAOPT_REQUEUES times).  The same sbatch goes on with a study at any time.
#SBATCH --job-name=metaopt
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8     # as many as a node has GPUs; with nodes_per_trial 1
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR1@120     # two minutes ahead, to this script; without "B:" it would end mpirun's daemons
#SBATCH --no-kill               # a lost node does not end the job
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=metaopt-%j.out

# ---- your site's part: load an MPI, activate the environment in which metaopt is installed
# module load openmpi
# source ~/venv/bin/activate
# ----

job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID} job=${job:-$SLURM_JOB_ID}
end=$(timeout 10 squeue --noheader --jobs="$job" --format=%e) # as 2026-11-24T20:28:01, or NONE
[[ $end == 2* ]] && METAOPT_DEADLINE=$(date --date="$end" +%s) && export METAOPT_DEADLINE
export METAOPT_STATUS=$PWD/metaopt-$job.status # what mpirun exits with says nothing when a node is lost
export OMPI_MCA_mpi_ft_enable=1 OMPI_MCA_pml=ob1 PRTE_MCA_state_base_recoverable=1 PRTE_MCA_state_base_notify_errors=1
export SLURM_OVERLAP=1 # the step of a lost node keeps its cores

nodes=($(scontrol show hostnames))
tasks=($(awk -v RS=, -F'[(x)\n]+' '{ do print $1; while (--$2 > 0) }' <<<"$SLURM_TASKS_PER_NODE")) # of each: 3(x2),1
status=1 mpirun= probes=()
trap 'status=130; [[ $mpirun ]] && kill -USR1 "$mpirun"' USR1 # metaopt ends the trials and saves

for try in 1 2 3 4 5; do
    hosts='' ranks=1 lost=
    for i in "${!nodes[@]}"; do
        [[ $try == 1 ]] || wait "${probes[i]}" 2>/dev/null || { lost+=,${nodes[i]} && continue; }
        hosts+=,${nodes[i]}:$((tasks[i] + (ranks == 1))) ranks=$((ranks + tasks[i]))
    done
    [[ $hosts && $status != 130 ]] || break
    rm -f "$METAOPT_STATUS"
    export METAOPT_LOST_NODES=${lost#,} # held against the trials that ran there
    mpirun --host "${hosts#,}" -n "$ranks" --map-by slot:oversubscribe --bind-to none \
        "$(command -v python)" -m metaopt run "${@:-exp.yaml}" &
    mpirun=$!
    while kill -0 "$mpirun" 2>/dev/null; do wait "$mpirun"; done
    mpirun=
    [[ -s $METAOPT_STATUS ]] && status=$(<"$METAOPT_STATUS") && break
    echo "mpirun ended before the study: node lost?  Trying again where a node answers ($try)" >&2
    for i in "${!nodes[@]}"; do
        timeout -s KILL 8 srun --overlap --nodes=1 --ntasks=1 --nodelist="${nodes[i]}" true 2>/dev/null &
        probes[i]=$!
    done
done

rm -f "$METAOPT_STATUS"
[[ $status == 2 && $try != 1 ]] && status=130 # refused as too little time was left
[[ $status == 130 && ${SLURM_RESTART_COUNT:-0} -lt ${METAOPT_REQUEUES:-10} ]] && scontrol requeue "$job"
exit "$status"
