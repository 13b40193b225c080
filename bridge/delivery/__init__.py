"""Due deliveries → signed requests → what became of them.

dispatcher  claims what is due, sends it, and writes down the outcome
flight      what is in flight, and what more may begin
sending     one attempt: made as its receiver wants it, signed, sent
webhook     the request itself
trial       an attempt that is in nobody's log
"""
