#!/bin/bash
# A search in a Slurm allocation whose ranks srun starts:  sbatch jobscripts/slurm_srun_metaopt.sh exp.yaml
# A worker per task, and rank 0 as one more on the first node.  When the time is up, or a node is lost, before the study
# is finished, the job queues again (METAOPT_REQUEUES times).  The same sbatch goes on with a study at any time.
#SBATCH --job-name=metaopt
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8     # as many as a node has GPUs; with nodes_per_trial 1
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR1@120     # two minutes before the end, to this script
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=metaopt-%j.out

# ---- your site's part: what fits your MPI, pmix (Open MPI) or pmi2 (MPICH); the environment with metaopt
pmi=pmix
# module load openmpi
# source ~/venv/bin/activate
# ----

job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID} job=${job:-$SLURM_JOB_ID}
end=$(timeout 10 squeue --noheader --jobs="$job" --format=%e) # as 2026-11-24T20:28:01, or NONE
[[ $end == 2* ]] && METAOPT_DEADLINE=$(date --date="$end" +%s) && export METAOPT_DEADLINE
export METAOPT_STATUS=$PWD/metaopt-$job.status
rm -f "$METAOPT_STATUS"

srun --mpi="$pmi" --ntasks=$((SLURM_NTASKS + 1)) --overcommit --cpu-bind=none \
    "$(command -v python)" -m metaopt run "${@:-exp.yaml}" &
srun=$!
trap 'kill -USR1 "$srun"' USR1 # metaopt ends the trials and saves
while kill -0 "$srun" 2>/dev/null; do wait "$srun"; done

status=$((SECONDS > 60 ? 130 : 1)) # no word of rank 0: a node was lost, or nothing has ever begun
[[ -s $METAOPT_STATUS ]] && status=$(<"$METAOPT_STATUS")
rm -f "$METAOPT_STATUS"
[[ $status == 130 && ${SLURM_RESTART_COUNT:-0} -lt ${METAOPT_REQUEUES:-10} ]] && scontrol requeue "$job"
exit "$status"
