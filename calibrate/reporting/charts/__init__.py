"""Charts of a report, each a Vega-Lite specification with its data.

chart      what a chart is; its look, which light and dark pages share
drawing    a chart as SVG, and the scripts that make it live in a page
forest     the ratio of every column beside the band of the need
power      power over time
agreement  differences beside means, on the logarithmic scale (Bland and Altman)
ratios     ratio by workload and by length
correcting errors before and after correction, held out; what the uncertainty is made of
"""
