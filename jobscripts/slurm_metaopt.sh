#!/bin/bash
# A search in a Slurm allocation:  sbatch jobscripts/slurm_metaopt.sh exp.yaml
# The same command goes on with a study that has not finished.
#SBATCH --job-name=metaopt
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR1@120     # two minutes before the end, to this script only: without "B:" it would end mpirun's daemons
#SBATCH --open-mode=append
#SBATCH --output=metaopt-%j.out

# ---- your site's part: load an MPI, activate the environment in which metaopt is installed
# module load openmpi
# source ~/venv/bin/activate

export OMPI_MCA_mpi_ft_enable=1 OMPI_MCA_pml=ob1        # Open MPI 5: outlive the death of a rank
export PRTE_MCA_state_base_recoverable=1 PRTE_MCA_state_base_notify_errors=1
export METAOPT_STATUS=$PWD/metaopt-$SLURM_JOB_ID.status # what mpirun exits with cannot be trusted when a node dies
rm -f "$METAOPT_STATUS"

trap 'kill -USR1 "$mpirun"' USR1                        # metaopt then ends the trials and saves
mpirun "$(command -v python)" -m metaopt run "${1:-exp.yaml}" &
mpirun=$!
while kill -0 "$mpirun" 2>/dev/null; do wait "$mpirun"; done

status=$(cat "$METAOPT_STATUS" 2>/dev/null || echo 1)
rm -f "$METAOPT_STATUS"
[[ $status == 0 ]] || echo "The study is not finished ($status); to go on:  sbatch $0 ${1:-exp.yaml}" >&2
exit "$status"
