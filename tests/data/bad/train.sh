echo "loss=1"
