.PHONY: demo test check docs
demo test check docs:
	./dev $@
