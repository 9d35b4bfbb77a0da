"""Everything of Drillyard that must work without Airflow. Nothing below this package imports airflow."""

import os

# gcsfs would ask for each bucket's type over gRPC before its first call, and wait a minute for that where a firewall lets only
# HTTPS through, which on the worst day is likely. Nothing here needs what it asks for. It reads this when it is imported.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
