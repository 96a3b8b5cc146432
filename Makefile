.PHONY: demo test check
demo test check:
	./dev $@
