#!/bin/bash
# A search in a Flux allocation:  flux batch jobscripts/flux_metaopt.sh exp.yaml
# As many workers as are given below, and rank 0 as one more.  When the time is up, or a node is lost, before the study
# is finished, this script is submitted again (METAOPT_REQUEUES times), with the options that its head gives.
#FLUX: --job-name=metaopt
#FLUX: --nodes=2
#FLUX: --exclusive
#FLUX: --time-limit=60m
#FLUX: --output=metaopt-{{id}}.out

# ---- your site's part: how many workers, in all; what fits your MPI; the environment in which metaopt is installed
workers=16
mpi=(-o pmi=pmix) # Open MPI; () for MPICH
# module load openmpi
# source ~/venv/bin/activate
# ----

left=$(timeout 10 flux job timeleft) # seconds, with a fraction
[[ $left == [0-9]* ]] && export METAOPT_DEADLINE=$(($(date +%s) + ${left%.*}))
export METAOPT_STATUS=$PWD/metaopt-${FLUX_ENCLOSING_ID:-$$}.status
rm -f "$METAOPT_STATUS"

job=$(flux submit --nodes="$(flux getattr size)" --ntasks=$((workers + 1)) "${mpi[@]}" -o cpu-affinity=off \
    "$(command -v python)" -m metaopt run "${@:-exp.yaml}") || exit
flux job attach "$job" &
attach=$!
trap 'flux job kill --signal=USR1 "$job"' USR1 TERM # metaopt ends the trials and saves
while kill -0 "$attach" 2>/dev/null; do wait "$attach"; done

status=$((SECONDS > 60 ? 130 : 1)) # no word of rank 0: a node was lost, or nothing has ever begun
[[ -s $METAOPT_STATUS ]] && status=$(<"$METAOPT_STATUS")
rm -f "$METAOPT_STATUS"
export METAOPT_RESTARTS=$((${METAOPT_RESTARTS:-0} + 1))
[[ $status == 130 && $METAOPT_RESTARTS -le ${METAOPT_REQUEUES:-10} ]] && flux --parent batch "$0" "${@:-exp.yaml}"
exit "$status"
