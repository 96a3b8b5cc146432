#!/bin/bash
# A search in an LSF allocation:  EXPERIMENT=exp.yaml bsub < jobscripts/lsf_metaopt.sh
# A worker per slot, and rank 0 as one more on the first node.  When the time is up, or a node is lost, before the study
# is finished, the job queues again (METAOPT_REQUEUES times).  The same bsub goes on with a study at any time.
#BSUB -J metaopt
#BSUB -n 16
#BSUB -R span[ptile=8]
#BSUB -W 1:00
#BSUB -wt 2 -wa USR1
#BSUB -Q 130
#BSUB -o metaopt-%J.out

# ---- your site's part: more options (#BSUB -P, -q, -gpu), the environment in which metaopt is installed
# module load openmpi
# source ~/venv/bin/activate
hosts=$PWD/metaopt-$LSB_JOBID.hosts
cat <(head -n 1 "$LSB_DJOB_HOSTFILE") "$LSB_DJOB_HOSTFILE" >"$hosts"
launcher=(mpirun --hostfile "$hosts" -n "$(wc -l <"$hosts")" --map-by slot:oversubscribe --bind-to none)
# where there is jsrun, rank 0 is one of the tasks:
# launcher=(jsrun --rs_per_host 1 --tasks_per_rs 6 --cpu_per_rs 42 --gpu_per_rs 6 --bind none)
# ----

left=$(timeout 10 bjobs -noheader -o time_left "$LSB_JOBID") # hours:minutes, and a letter
[[ $left =~ ^([0-9]+):([0-9]+) ]] &&
    export METAOPT_DEADLINE=$(($(date +%s) + 60 * (60 * 10#${BASH_REMATCH[1]} + 10#${BASH_REMATCH[2]})))
export METAOPT_STATUS=$PWD/metaopt-$LSB_JOBID.status
export OMPI_MCA_mpi_ft_enable=1 OMPI_MCA_pml=ob1 PRTE_MCA_state_base_recoverable=1 PRTE_MCA_state_base_notify_errors=1
rm -f "$METAOPT_STATUS"

"${launcher[@]}" "$(command -v python)" -m metaopt run "${1:-${EXPERIMENT:-exp.yaml}}" &
mpirun=$!
trap 'kill -USR1 "$mpirun"' USR1 # metaopt ends the trials and saves
while kill -0 "$mpirun" 2>/dev/null; do wait "$mpirun"; done

status=$((SECONDS > 60 ? 130 : 1)) # no word of rank 0: a node was lost, or nothing has ever begun
[[ -s $METAOPT_STATUS ]] && status=$(<"$METAOPT_STATUS")
rm -f "$METAOPT_STATUS" "$hosts"
starts=metaopt-$LSB_JOBID.starts
[[ $status == 130 ]] && echo "$(date)" >>"$starts" && [[ $(wc -l <"$starts") -le ${METAOPT_REQUEUES:-10} ]] && exit 130
rm -f "$starts"
exit "$((status == 130 ? 1 : status))" # 130 would queue the job again: see -Q
