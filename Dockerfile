# hadolint global ignore=DL3066
# The project on Astro Runtime. 3.3-8 is Airflow 3.3.2, as in requirements.txt; change the two together.
# The -base image installs nothing by itself, so that what is installed is what constraints.txt says.
ARG BASE_IMAGE=astrocrpublic.azurecr.io/runtime:3.3-8-python-3.12-base
FROM ${BASE_IMAGE}

WORKDIR /usr/local/airflow
USER root
COPY packages.txt ./
RUN /usr/local/bin/install-system-packages
COPY requirements.txt constraints.txt ./
RUN uv pip install --system --no-cache --requirement requirements.txt --constraint constraints.txt

# The lab stays outside: .dockerignore leaves out include/lab, tests and docs.
COPY --chown=astro:0 . .
RUN uv pip install --system --no-cache --no-deps --editable .

USER astro
ENV PYTHONPATH=/usr/local/airflow \
    GX_ANALYTICS_ENABLED=false \
    AIRFLOW__CORE__LOAD_EXAMPLES=False
