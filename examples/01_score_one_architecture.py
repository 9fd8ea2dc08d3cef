"""Score one NAS-Bench-201 architecture, and one that is worse, without labels."""

import naslib_gennas

good = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
poor = "|avg_pool_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"

for arch in (good, poor):
    record = naslib_gennas.score("nasbench201", arch, profile="fast")
    print(f"{record.score:.4f}  {record.seconds:.2f} core-seconds  {arch}")
