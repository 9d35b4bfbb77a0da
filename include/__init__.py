"""Everything of Drillyard that must work without Airflow. Nothing below this package imports airflow."""
