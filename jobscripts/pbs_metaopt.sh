#!/bin/bash
# A search in a PBS allocation:  qsub -v EXPERIMENT=exp.yaml jobscripts/pbs_metaopt.sh
# A worker per mpiprocs, and rank 0 as one more on the first node.  When the time is up, or a node is lost, before the
# study is finished, this script is submitted again (METAOPT_REQUEUES times), with the options that its head gives.
#PBS -N metaopt
#PBS -S /bin/bash
#PBS -l select=2:mpiprocs=4
#PBS -l walltime=01:00:00
#PBS -j oe

# ---- your site's part: more options (#PBS -A, -q, -l filesystems=), the environment in which metaopt is installed
# module load openmpi
# source ~/venv/bin/activate
launcher=(mpiexec) # on a Cray: (mpiexec --cpu-bind none)
# ----

cd "$PBS_O_WORKDIR" || exit
export EXPERIMENT=${1:-${EXPERIMENT:-exp.yaml}}
seconds=$(timeout 10 qstat -f "$PBS_JOBID" |
    awk '/Resource_List.walltime/ { split($3, t, ":"); print t[1] * 3600 + t[2] * 60 + t[3] }')
[[ $seconds ]] && export METAOPT_DEADLINE=$(($(date +%s) + seconds))
export METAOPT_STATUS=$PWD/metaopt-$PBS_JOBID.status
export OMPI_MCA_mpi_ft_enable=1 OMPI_MCA_pml=ob1 PRTE_MCA_state_base_recoverable=1 PRTE_MCA_state_base_notify_errors=1
export PRTE_MCA_rmaps_default_mapping_policy=slot:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none
hosts=$PWD/metaopt-$PBS_JOBID.hosts
cat <(head -n 1 "$PBS_NODEFILE") "$PBS_NODEFILE" >"$hosts"
rm -f "$METAOPT_STATUS"

"${launcher[@]}" --hostfile "$hosts" -n "$(wc -l <"$hosts")" "$(command -v python)" -m metaopt run "$EXPERIMENT" &
mpiexec=$!
trap 'kill -USR1 "$mpiexec"' USR1 TERM # metaopt ends the trials and saves
while kill -0 "$mpiexec" 2>/dev/null; do wait "$mpiexec"; done

status=$((SECONDS > 60 ? 130 : 1)) # no word of rank 0: a node was lost, or nothing has ever begun
[[ -s $METAOPT_STATUS ]] && status=$(<"$METAOPT_STATUS")
rm -f "$METAOPT_STATUS" "$hosts"
again=$((${METAOPT_RESTARTS:-0} + 1))
[[ $status == 130 && $again -le ${METAOPT_REQUEUES:-10} ]] &&
    qsub -v "EXPERIMENT=$EXPERIMENT,METAOPT_RESTARTS=$again,METAOPT_REQUEUES=${METAOPT_REQUEUES:-10}" "$0"
exit "$status"
