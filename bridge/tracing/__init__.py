"""One span of each subscription's life, for those who collect traces.

spans    a subscription's story → its span
writing  the loop that writes down what is over
otlp     how a collector takes it: all that knows of the OpenTelemetry packages
"""
