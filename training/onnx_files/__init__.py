"""Writing ONNX files: conversion, precisions, int8, and the proof that they equal torch."""
